"""Checklists that journals and authorities ask for, filled as far as a run knows."""
