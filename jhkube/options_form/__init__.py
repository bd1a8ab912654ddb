"""The options form: which images and sizes a person is offered, and what they chose."""
