"""The table of routes: each row is served, and each request has one answer in it."""

from hypothesis import given
from hypothesis import strategies as st

from service import routes
from service.routes import ANY_KEY, GRPC_ROUTES, LABELS, OTHER, ROUTES, Route, match

OF_PATHS = {"request_id": "r-1/2", "model": "iris", "version": "1", "asset": "swagger-ui.css"}


def written(route: Route) -> str:
    return route.path.format(**OF_PATHS)


def test_each_row_is_what_its_own_method_and_path_match() -> None:
    for route in ROUTES:
        found = match(route.method, written(route))
        assert found.route is route
        assert (found.label, found.scope) == (route.metric_label, route.scope)
        names = {name for name in OF_PATHS if f"{{{name}}}" in route.path}
        assert dict(found.parameters) == {name: OF_PATHS[name] for name in names}


def test_what_is_served_with_get_is_served_with_head_and_with_nothing_else() -> None:
    for route in ROUTES:
        head = match("HEAD", written(route))
        assert (head.route is route) == (route.method == "GET")
        other = match("DELETE", written(route))
        assert other.route is None
        assert other.allowed == ("GET, HEAD" if route.method == "GET" else "POST")
        assert other.scope == route.scope


def test_no_two_rows_are_of_the_same_method_and_path() -> None:
    rows = [(route.method, route.path) for route in (*ROUTES, *GRPC_ROUTES)]
    assert len(set(rows)) == len(rows)


def test_what_predicts_needs_the_scope_predict_and_nothing_else_does() -> None:
    predicting = {"predict", "predict_batch", "v2_infer", "ModelInfer"}
    for route in (*ROUTES, *GRPC_ROUTES):
        assert (route.scope == "predict") == (route.handler in predicting)


@given(st.text(), st.one_of(st.text(), st.text().map("/{}".format), st.text().map("/v2/models/{}".format)))
def test_any_path_has_one_of_the_labels_and_what_is_not_served_needs_a_key(method: str, path: str) -> None:
    found = match(method, path)
    assert found.label in LABELS
    if found.label == OTHER:
        assert (found.route, found.scope, found.allowed) == (None, ANY_KEY, "")


@given(st.sampled_from([written(route) for route in ROUTES]), st.text(min_size=1))
def test_text_behind_a_path_without_parameters_is_another_path(path: str, more: str) -> None:
    if path.startswith(("/v2/models/", "/static_content/")):
        return
    found = match("GET", path + more)
    assert found.route is None or found.route.path == path + more or found.parameters


def test_the_plain_targets_of_predictions_are_those_of_the_table() -> None:
    for route in ROUTES:
        is_plain = routes.is_for_prediction(written(route).encode())
        assert is_plain == (route.scope == "predict")
