"""The rules of a policy by number, as every refusal names them."""

# The rules of a policy: setting -> its id, and what it does in words. Every refusal names the id.
RULES = {
    "approval": ("P1", "a plan must be approved here before it is worked on"),
    "models": ("P2", "networks that may be trained here"),
    "max_rounds": ("P3", "a plan with more rounds is refused"),
    "min_images": ("P4", "with fewer training images nothing leaves"),
    "min_cell": ("P5", "a class, group or count of fewer images is taken out"),
    "metrics": ("P6", "kinds of metrics that may leave"),
    "share_statistics": ("P7", "counts of the data before training may leave"),
    "share_subgroups": ("P8", "scores by sex, age band and manufacturer may leave"),
    "max_message_mb": ("P9", "a larger reply is not sent"),
    "max_mb_a_day": ("P10", "no more leaves within 24 hours"),
    "max_mb_ever": ("P18", "no more leaves in all, whatever the study"),
    "hours": ("P11", "local time in which tasks are taken up"),
    "protection": ("P12", "what a plan must offer to protect what leaves"),
    "repeats": ("P13", "no more is asked than the plan needs, under the site's own name"),
    "start_weights": ("P14", "a study begins with the weights that its plan says"),
    "min_batch": ("P15", "a plan with smaller steps is refused"),
    "role": ("P17", "whether models are trained here, or only scored"),
    "share_features": ("P19", "mean and covariance of images' features may leave"),
    "model_step": ("P16", "weights do not jump between two questions"),
    "budget": ("P20", "what may ever be told of one patient, over all studies"),
    "at_least": ("P21", "hospitals in a secure sum"),
    "self_test": ("P22", "an update is tried for pictures before it leaves"),
    "two_persons": ("P23", "data manager and security officer approve a plan"),
    "networks": ("P24", "networks, losses and image steps that come as data"),
    "plugins": ("P25", "code installed here that a plan may use"),
    "bare_networks": ("P26", "such networks in plans with neither noise nor secure sums"),
}


def rule(setting: str) -> str:
    """Name a rule as messages do: (policy P3, max_rounds)."""
    return f"(policy {RULES[setting][0]}, {setting})"
