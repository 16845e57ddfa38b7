"""The model card: what computes the answers, under an id that changes with it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from bentoml._internal.models import ModelStore

from service.model.card import CardSettings, ModelCard, make_card, this_processor
from service.model.published import CONTRACT_FILE, ESTIMATOR_FILE, GOLDEN_FILE, load_model

SETTINGS = CardSettings(runtime="auto", max_batch_rows=10_000, max_call_rows=1_024)


def card_of(tag: str, settings: CardSettings = SETTINGS, image: str | None = None) -> ModelCard:
    return make_card(load_model(tag), settings, image)


def test_the_card_has_the_digest_of_every_file_that_serving_reads(
    publish_picky: Callable[[str], str], store: ModelStore
) -> None:
    tag = publish_picky("carded")
    card = card_of(tag)
    folder = Path(store.get(tag).path)
    assert {CONTRACT_FILE, ESTIMATOR_FILE, GOLDEN_FILE} <= card.files.keys()
    for name, digest in card.files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert card.contract_sha256 == card.files[CONTRACT_FILE]
    assert (card.tag, card.model_name) == (tag, "carded_logistic_regression")


def test_the_id_is_the_beginning_of_the_digest_of_the_canonical_json(
    publish_picky: Callable[[str], str],
) -> None:
    card = card_of(publish_picky("canonical"))
    text = json.dumps(card.content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert card.model_id == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert ModelCard.model_validate(card.content) == card


def test_the_same_model_in_the_same_process_has_the_same_id(publish_picky: Callable[[str], str]) -> None:
    tag = publish_picky("steady")
    assert card_of(tag).model_id == card_of(tag).model_id


def test_a_model_that_is_published_again_under_the_same_version_has_another_id(
    publish_picky: Callable[[str], str],
) -> None:
    first, second = (card_of(publish_picky("again")) for _ in range(2))
    assert (first.model_name, first.model_version) == (second.model_name, second.model_version)
    assert first.model_id != second.model_id


@pytest.mark.parametrize("changed", ["settings", "image"])
def test_what_changes_the_answers_changes_the_id(publish_picky: Callable[[str], str], changed: str) -> None:
    tag = publish_picky("settled")
    if changed == "settings":
        other = card_of(tag, SETTINGS.model_copy(update={"max_call_rows": 7}))
    else:
        other = card_of(tag, image="sha256:" + "a" * 64)
    assert other.model_id != card_of(tag).model_id


def test_the_processor_is_named_with_its_sorted_instruction_sets() -> None:
    processor = this_processor()
    assert processor.architecture
    assert processor.name
    assert list(processor.flags) == sorted(set(processor.flags))
