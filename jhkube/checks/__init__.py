"""What an operator can know before the users do: one module a subject, and what is to be done about each fault."""
