"""Which version is champion: changed by a person, told as a history, compared with what MLflow shows."""
