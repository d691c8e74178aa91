"""The modules of pra-run: one subject each, standard library only, installed byte for byte next to the tables."""
