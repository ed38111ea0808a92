"""Who carries and signs a domain's outgoing mail.  Plain Python: nothing here imports a model."""
