"""Whose address is recorded: what a trusted proxy appended, and nothing that a client can make up."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import SettingInvalid
from service.http.connection.forwarded import NO_PROXIES, TrustedProxies
from service.settings import load_settings

PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])
made_up = st.text(st.characters(codec="latin-1"), max_size=30)
proxies = st.one_of(st.ip_addresses(network="10.0.0.0/8"), st.ip_addresses(network="fd00::/8")).map(str)
clients = st.ip_addresses().map(str).filter(lambda host: not PROXIES.trusts(host) and "ffff" not in host)


@given(forged=st.lists(made_up, max_size=3), client=clients, hops=st.lists(proxies, max_size=3), peer=proxies)
def test_the_client_is_the_last_address_that_is_no_proxy_whatever_it_sent_itself(
    forged: list[str], client: str, hops: list[str], peer: str
) -> None:
    values = [*forged, ", ".join([client, *hops])]
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in values]
    assert PROXIES.trusts(peer)
    assert PROXIES.client(peer, headers) == client


@given(peer=proxies, sent=made_up)
def test_what_is_no_address_is_never_recorded(peer: str, sent: str) -> None:
    found = PROXIES.client(peer, [(b"x-forwarded-for", sent.encode("latin-1"))])
    assert found == peer or found in sent


def test_nobody_is_trusted_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TABENTO_TRUSTED_PROXIES", raising=False)
    assert load_settings().trusted_proxies == ()
    assert not NO_PROXIES.trusts("127.0.0.1")
    assert not PROXIES.trusts(None)
    assert PROXIES.trusts("::ffff:10.1.2.3")


def test_proxies_are_listed_by_commas_and_what_is_no_network_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TABENTO_TRUSTED_PROXIES", "10.0.0.1, fd00::/8,")
    assert [str(network) for network in load_settings().trusted_proxies] == ["10.0.0.1/32", "fd00::/8"]
    monkeypatch.setenv("TABENTO_TRUSTED_PROXIES", "proxy.example")
    with pytest.raises(SettingInvalid, match="TABENTO_TRUSTED_PROXIES"):
        load_settings()
