# What other compiled modules reach without the interpreter in between.

cdef class Chain
cdef class Transaction
cdef class Version


cdef class TreeVersions:
    cdef readonly int dbid
    cdef readonly long long objid
    cdef public object owner
    cdef readonly bint unique
    cdef readonly dict chains
    cdef readonly dict open_images

    cpdef Chain chain(self, bytes key, bytes data)


cdef class Chain:
    cdef readonly TreeVersions tree
    cdef readonly bytes key
    cdef readonly bytes data
    cdef readonly list versions
    cdef public bint deleted

    cdef int _set_up(self, TreeVersions tree, bytes key, bytes data)
    cpdef int conflicts(self, int oper, Transaction writer)


cdef class Transaction:
    cdef readonly object owner
    cdef public long long begin0
    cdef public long long commit0
    cdef public list versions
    cdef readonly list marks
    cdef readonly list bounds


cdef class Version:
    cdef public Transaction transaction
    cdef public Chain chain
    cdef readonly int oper
    cdef readonly long long rceid
    cdef readonly Py_ssize_t ordinal
    cdef public bytes before
    cdef public long long offset
    cdef public object delta
    cdef public long long pgno
    cdef public object undo
    cdef public object cleanup

    cdef int _set_up(self, Transaction transaction, int oper, long long rceid, Chain chain)
    cdef long long _size(self)


cdef class VersionStore:
    cdef public long long limit
    cdef readonly long long size
    cdef public long long epoch
    cdef readonly long long image_count
    cdef dict _trees
    cdef dict _open
    cdef object _committed
    cdef dict _removable
    cdef dict _undone
    cdef dict _images
    cdef list _cleanups
    cdef public long long _last_id
    cdef public long long _last_rceid

    cpdef long long next_rceid(self)
    cpdef int require_room(self, long long count)
    cpdef Version add(
        self,
        Transaction transaction,
        TreeVersions tree,
        int oper,
        bytes key,
        bytes data,
        long long rceid=*,
        bytes before=*,
        long long offset=*,
        delta=*,
        long long pgno=*,
    )
    cdef int _drop(self, Version version, leaving, bint deleted)
    cdef int _close_image(self, TreeVersions tree, long long rceid)
    cdef int _image_done(self, Version version)
