"""Why an installation does not go on."""


class Refusal(Exception):
    """One sentence for the operator: the rule, and how to mend it. Nothing was changed, or it was put back."""
