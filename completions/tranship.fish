complete --keep-order --exclusive --command tranship --arguments "(COMPLETE=fish tranship -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
