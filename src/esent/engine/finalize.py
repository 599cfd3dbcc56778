"""Records whose escrow counter has come to zero, told to callbacks (JET_bitColumnFinalize, JET_cbtypFinalize).

The clean-up of versions finds out; the callback is called later, by the session that is through with a call next, outside of
the clean-up and of anybody's transaction, with a session and a cursor of its own that stands on the record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esent.backup.events import events
from esent.constants import grbits
from esent.engine.callbacks import notify
from esent.engine.ddl import cursor_of_engine
from esent.engine.navigation import goto_bookmark
from esent.engine.zero_records import is_zero, settled_record
from esent.errors import JetError
from esent.records.columns import Column

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor
    from esent.engine.transactions import Writer


class FinalizedRecord:
    """A record that an escrow update was made to; called when no snapshot needs it as it was before."""

    def __init__(self, cursor: Cursor, bookmark: bytes, column: Column) -> None:
        self.database = cursor.database
        self.table = cursor.table.name
        self.tree = cursor.primary.tree
        self.bookmark = bookmark
        self.column = column

    def __call__(self, _writer: Writer) -> None:
        image = settled_record(self.tree, self.bookmark)
        if image is not None and is_zero(image, self.column):
            self.database.instance.deferred.append(self.tell)

    def tell(self) -> None:
        """Call the callbacks, unless the counter has moved on. What goes wrong in one of them changes nothing."""
        database = self.database
        if database.instance.databases.find(database.path) is not database:
            return
        session = database.instance.begin_session()
        try:
            session.opens[database.number] += 1
            cursor = cursor_of_engine(session, database, self.table)
            session.begin()
            goto_bookmark(cursor, cursor.shown_bookmark(self.bookmark))
            if is_zero(cursor.record(), self.column):
                notify(cursor, grbits.JET_cbtypFinalize)
            session.commit()
        except JetError as problem:
            events.info("a record of table %s could not be finalised: %s", self.table, problem)
        finally:
            session.close()
