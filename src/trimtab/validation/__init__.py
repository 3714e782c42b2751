"""May this content be shown to anyone? Checks to findings; pure."""
