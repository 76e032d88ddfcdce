"""Proof that nothing was lost or doubled: `fleetlake.audit.run.audit` compares Kafka, bronze, the state and
the dead letters, and names what is off."""
