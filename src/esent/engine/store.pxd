# What other compiled modules reach without the interpreter in between.

from esent.log.node_records cimport NodeRecords
from esent.log.sink cimport RecordSink
from esent.pages.cache cimport BufferCache, CachedPage
from esent.tree.live cimport NodeStore, TreeName, Writer
from esent.versions.store cimport VersionStore


cdef class DatabaseStore(NodeStore)


cdef class Steadiness:
    cdef DatabaseStore _store


cdef class DatabaseStore(NodeStore):
    cdef readonly int dbid
    cdef readonly object file
    cdef readonly RecordSink log
    cdef public long long dbtime
    cdef public long long objid
    cdef public long long size_limit
    cdef readonly BufferCache cache
    cdef readonly object read_page
    cdef public object log_undo_info
    cdef public object reserved_space
    cdef public VersionStore versions
    cdef public object dead
    cdef public object settled
    cdef public object inserted
    cdef public object holding
    cdef public object writing
    cdef public object extended
    cdef public object announces_pages
    cdef public object tend
    cdef public object unsynced
    cdef readonly long long pages_written
    cdef NodeRecords _records
    cdef int _steady
    cdef dict _trees
    cdef object _sessions
    cdef object _session
    cdef object _begun
    cdef object _position

    cdef long long _next_dbtime(self, CachedPage page)
    cdef int _done(self, Writer writer, CachedPage page, long long dbtime, object position)
