"""What results and corpora are written with."""
