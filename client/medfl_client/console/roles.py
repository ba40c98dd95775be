"""Who may do what in a hospital's console."""

VIEWER, MANAGER, OFFICER = "viewer", "data manager", "security officer"
BOTH = "data manager and security officer"  # one person for all, where no two have to approve
ROLES = (VIEWER, MANAGER, OFFICER, BOTH)
OF_DATA = (MANAGER, BOTH)  # readiness, join, start and pause
OF_SECURITY = (OFFICER, BOTH)  # approve, withdraw, audit
RESPONSIBLE = (MANAGER, OFFICER, BOTH)  # may see images and file names of patients
