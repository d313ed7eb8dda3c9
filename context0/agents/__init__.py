"""The agents of a chat turn, one file each; only the coordinator knows them all."""
