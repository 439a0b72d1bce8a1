// Live updates: see pages/events.py. Every page works without this file.
