"""Who is asked and who is told: webhooks and chats. Put together by `wiring`."""
