"""The commands of ``python -m service.audit``. Each returns its exit code, or nothing for 0."""

from service.audit.commands import keeping, proving, showing
from service.audit.commands.command_group import audit

__all__ = ["audit", "keeping", "proving", "showing"]
