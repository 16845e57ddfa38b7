"""The commands of ``python -m service.audit``. Each returns its exit code, or nothing for 0."""

from service.audit.commands import attesting, keeping, people, proving, restoring, showing
from service.audit.commands.command_group import audit

__all__ = ["attesting", "audit", "keeping", "people", "proving", "restoring", "showing"]
