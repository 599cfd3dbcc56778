from esent.engine.set_column cimport set_plain
from esent.engine.short_call cimport begin, begin_in_transaction, end
from esent.engine.update cimport delete_unwatched, make_unwatched
