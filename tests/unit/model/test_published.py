"""A model is served only if it is what was published."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import bentoml
import numpy as np
import pytest
from bentoml._internal.models import ModelStore

from service.errors import CompiledFormRefused, ModelNotPublished, ModelUnusable
from service.model.published import (
    COMPILED_FILE,
    CONTRACT_FILE,
    ESTIMATOR_FILE,
    GOLDEN_FILE,
    load_model,
    read_contract,
    resolve_tag,
)
from tests.support.iris_rows import SETOSA, VIRGINICA
from tests.support.servers import PROJECT
from tests.support.small_models import publish_compiled
from tests.support.stores import opened_store


def test_a_published_model_is_loaded_with_its_contract_and_lineage(
    publish_picky: Callable[[str], str],
) -> None:
    model = load_model(publish_picky("letters"))
    assert model.contract.target.classes == ("A", "B")
    assert model.lineage.model_name == "letters_logistic_regression"
    assert model.profile is None
    rows = [model.contract.row_type.model_validate({"letter": letter}) for letter in "ba"]
    assert model.predict_proba(model.contract.matrix(rows)).argmax(axis=1).tolist() == [1, 0]


def test_the_newest_version_is_meant_where_none_is_named(publish_picky: Callable[[str], str]) -> None:
    first, second = publish_picky("versions"), publish_picky("versions")
    assert resolve_tag("versions") == second
    assert resolve_tag(first) == first


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("use", [resolve_tag, read_contract, load_model])
def test_a_model_that_is_not_there_is_named_with_the_way_to_it(use: Callable[[str], object]) -> None:
    with pytest.raises(ModelNotPublished, match=r"no model 'nowhere'.*python -m training.*--arg model=NAME"):
        use("nowhere")


def test_a_file_that_is_missing_is_told(publish_picky: Callable[[str], str], store: ModelStore) -> None:
    for file in (ESTIMATOR_FILE, CONTRACT_FILE, GOLDEN_FILE):
        tag = publish_picky("incomplete")
        Path(store.get(tag).path_of(file)).unlink()
        with pytest.raises(ModelUnusable, match=rf"{tag} cannot be served: .*{file}"):
            load_model(tag)


def test_a_model_that_is_no_longer_what_was_published_is_refused(
    publish_picky: Callable[[str], str], store: ModelStore
) -> None:
    def change(file: str, old: str, new: str) -> str:
        tag = publish_picky("changed")
        path = Path(store.get(tag).path_of(file))
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return tag

    golden = json.loads(Path(store.get(publish_picky("changed")).path_of(GOLDEN_FILE)).read_text())
    probability = str(golden["probabilities"][0][0])
    changes = [
        (GOLDEN_FILE, probability, str(float(probability) + 1e-8), "golden rows differ by 1e-08"),
        (GOLDEN_FILE, '"probabilities":[[', '"probabilities":[[0.0,', "ValueError"),
        (CONTRACT_FILE, '"A"', '"Z"', "classes"),
        (CONTRACT_FILE, '"letter"', '"other"', "letter"),
        (CONTRACT_FILE, '"category"', '"colour"', "category"),
        (GOLDEN_FILE, '"rows"', '"lines"', "rows"),
    ]
    for file, old, new, reason in changes:
        with pytest.raises(ModelUnusable, match=reason):
            load_model(change(file, old, new))


def test_a_model_of_another_making_is_refused(store: ModelStore, publish_picky: Callable[[str], str]) -> None:
    ours = store.get(publish_picky("ours"))
    with bentoml.models.create("another") as model:
        for file in (ESTIMATOR_FILE, CONTRACT_FILE, GOLDEN_FILE):
            shutil.copy(ours.path_of(file), model.path_of(file))
    with pytest.raises(ModelUnusable, match="lineage"):
        load_model("another")


@pytest.fixture(scope="module")
def compiled(stores: dict[str, str]) -> str:
    """The tag of a model with a compiled form."""
    with opened_store(stores):
        return publish_compiled()


class TestRuntime:
    def test_an_accepted_compiled_form_serves_unless_scikit_learn_is_asked_for(
        self, store: ModelStore, compiled: str
    ) -> None:
        assert store is not None
        compiler = load_model(compiled).lineage.compilation.compiler
        assert load_model(compiled, "auto").predictor.name == compiler
        assert load_model(compiled, "compiled").predictor.name == compiler
        assert load_model(compiled, "sklearn").predictor.name.startswith("scikit-learn 1.")

    def test_both_forms_give_the_same_answers(self, store: ModelStore, compiled: str) -> None:
        assert store is not None
        forms = [load_model(compiled, "compiled"), load_model(compiled, "sklearn")]
        rows = [forms[0].contract.row_type.model_validate(row) for row in (SETOSA, VIRGINICA)]
        by_compiled, by_sklearn = (form.predict_proba(form.contract.matrix(rows)) for form in forms)
        np.testing.assert_allclose(by_compiled, by_sklearn, rtol=0, atol=1e-12)

    def test_a_model_without_a_compiled_form_is_served_by_scikit_learn(
        self, publish_picky: Callable[[str], str]
    ) -> None:
        assert load_model(publish_picky("plain")).predictor.name.startswith("scikit-learn")

    def test_the_compiled_form_of_a_model_that_has_none_is_refused_with_the_remedy(
        self, publish_picky: Callable[[str], str]
    ) -> None:
        sentence = "was not accepted: it was published without a compiled form. Set TABENTO_RUNTIME=auto"
        with pytest.raises(CompiledFormRefused, match=sentence):
            load_model(publish_picky("plain"), "compiled")

    def test_a_compiled_form_that_is_missing_or_another_is_not_served(
        self, store: ModelStore, compiled: str
    ) -> None:
        ours = store.get(compiled)
        with bentoml.models.create("damaged", metadata=dict(ours.info.metadata)) as model:
            for file in (ESTIMATOR_FILE, CONTRACT_FILE, GOLDEN_FILE):
                shutil.copy(ours.path_of(file), model.path_of(file))
        path = Path(store.get("damaged").path_of(COMPILED_FILE))
        with pytest.raises(ModelUnusable, match=COMPILED_FILE):
            load_model("damaged")
        path.write_bytes(Path(ours.path_of(COMPILED_FILE)).read_bytes()[:-100])
        with pytest.raises(ModelUnusable, match="damaged:"):
            load_model("damaged")
        assert load_model("damaged", "sklearn").predictor.name.startswith("scikit-learn")

    def test_serving_the_compiled_form_imports_nothing_of_scikit_learn(
        self, stores: dict[str, str], compiled: str
    ) -> None:
        program = (
            "import sys; from service.model.published import load_model; load_model(sys.argv[1]);"
            "print({'sklearn', 'skops', 'scipy', 'pandas', 'mlflow', 'onnx'} & set(sys.modules))"
        )
        command = [sys.executable, "-c", program, compiled]
        done = subprocess.run(command, cwd=PROJECT, env=stores, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"
