"""Who may log in and sign on this host: what revoke-keys and the programs that rotate keys have in common. Root only, standard library only."""
