"""Several processes of the service over one MongoDB and one Redis: started, restarted, loaded, measured."""
