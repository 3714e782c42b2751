"""A git repository, or a plain folder, as the source of content and policies. Put together by `wiring`."""
