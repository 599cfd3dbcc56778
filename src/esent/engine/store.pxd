from esent.log.node_records cimport NodeRecords
