"""The inbox: files that people drop become recordings of characters."""

from daemon.inbox.inbox import Inbox

__all__ = ["Inbox"]
