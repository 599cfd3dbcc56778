from esent.engine.cores cimport CursorCore, InstanceCore, SessionCore, TableCore
from esent.engine.handles cimport SessionHandle, TableHandle

cpdef object begin(object sesid, object tableid)
cpdef object begin_in_transaction(object sesid, object tableid)
cpdef object end(object cursor)
