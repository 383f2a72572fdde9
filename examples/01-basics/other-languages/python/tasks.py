import naq


# Fails in its first two attempts, as a service fails that is down for a moment.
@naq.task
def greet(name):
    job = naq.current_job()
    if job.attempt < 3:
        raise ConnectionError("the mail server is away")
    return f"hello {name}, in attempt {job.attempt}"
