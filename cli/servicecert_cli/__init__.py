"""The command `servicecert`, for operators, developers of the e-service, and newcomers."""
