"""The commands of ``python -m service.audit``. Each returns its exit code, or nothing for 0."""

from service.audit.commands import evidence, keeping, people, proving, restoring, showing
from service.audit.commands.command_group import audit

__all__ = ["audit", "evidence", "keeping", "people", "proving", "restoring", "showing"]
