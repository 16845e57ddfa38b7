"""Settings come from the environment, and a wrong one is named."""

from pathlib import Path

import pytest

from service.errors import SettingInvalid
from service.settings import Settings, load_settings


def test_every_setting_has_a_default_and_says_what_it_is() -> None:
    load_settings()
    undocumented = [name for name, field in Settings.model_fields.items() if not field.description]
    assert undocumented == []


def test_settings_come_from_variables_with_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABENTO_AUDIT_DB", "/var/lib/log.db")
    monkeypatch.setenv("TABENTO_WORKERS", "4")
    settings = load_settings()
    assert (settings.audit_db, settings.workers) == (Path("/var/lib/log.db"), 4)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TABENTO_WORKERS", "0"),
        ("TABENTO_WORKERS", "two"),
        ("TABENTO_MAX_BATCH_ROWS", "-1"),
        ("TABENTO_DEADLINE_MS", "0"),
        ("TABENTO_ACCESS_LOG", "perhaps"),
    ],
)
def test_a_wrong_value_is_refused_with_the_variables_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingInvalid, match=rf"^{variable}={value} cannot be used: "):
        load_settings()


def test_settings_cannot_be_changed_once_they_are_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().workers = 2  # type: ignore[misc]
