from esent.log.node_records cimport NodeRecords
from esent.versions.store cimport VersionStore
