"""The register by subject; `okx_async.rehearsal.assumptions` has all of it."""
