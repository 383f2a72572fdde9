from naq import enqueue_sync

job = enqueue_sync("greet", name="Ada", max_retries=4, retry_delay=1, retry_strategy="exponential", job_id="hello-1")
print(job.result_sync(timeout=60))
