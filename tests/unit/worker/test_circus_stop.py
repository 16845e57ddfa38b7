"""What the service expects of circus' internals.

If this fails after an upgrade, the supervising process no longer stops the way that circus_stop.py knows, and
connections that come while the service ends are reset.
"""

import inspect

from circus.arbiter import Arbiter
from circus.controller import Controller
from circus.sighandler import SysHandler


def test_circus_stops_by_quit_of_its_signal_handler_which_knows_the_arbiter_and_its_sockets() -> None:
    assert "self.quit()" in inspect.getsource(SysHandler.handle_term)
    assert "self.controller = controller" in inspect.getsource(SysHandler.__init__)
    assert "self.arbiter = arbiter" in inspect.getsource(Controller.__init__)
    assert "self.sockets = CircusSockets(" in inspect.getsource(Arbiter.__init__)
    assert "self.sockets.close_all()" in inspect.getsource(Arbiter.stop_controller_and_close_sockets)
