"""The morning brief: one page of the publication, drawn from its marts."""
