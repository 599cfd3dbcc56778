# What other compiled modules call without the interpreter in between.

from esent.tree.live cimport TreeName, Writer


cdef class NodeRecords:
    cdef readonly int dbid

    cpdef bytes insert(
        self,
        Writer who,
        TreeName which,
        long long pgno,
        long long dbtime,
        long long before,
        int line,
        long long rceid,
        bytes prefix,
        bytes suffix,
        bytes data,
    )
    cpdef bytes flag_insert(
        self,
        Writer who,
        TreeName which,
        long long pgno,
        long long dbtime,
        long long before,
        int line,
        long long rceid,
        bytes key,
        bytes data,
    )
    cpdef bytes flag_delete(
        self, Writer who, TreeName which, long long pgno, long long dbtime, long long before, int line, long long rceid
    )
    cpdef bytes delete(self, Writer who, TreeName which, long long pgno, long long dbtime, long long before, int line)
    cpdef bytes replace(
        self,
        Writer who,
        TreeName which,
        long long pgno,
        long long dbtime,
        long long before,
        int line,
        long long rceid,
        Py_ssize_t old_size,
        bytes data,
    )
