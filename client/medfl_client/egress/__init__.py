"""All that leaves a hospital, and the eight steps before a byte does.

1. `approvals.require`: a person has approved this plan, and nobody has withdrawn.
2. `guard.permit`: the policy allows the plan; no data has been read yet.
3. `questions.enter`: the plan needs this question; it is in the book, still without data.
4. `guard.release`: the result belongs to the task; small counts and unlisted metrics go; under
   `privacy.secure_sum` all that is left is masked (`sums`).
5. `inspection.inspect`: a second, independent look at the finished message.
6. `guard.let_out`: the message is within the megabytes of the policy.
7. `kept_reply.keep`: the reply is on the disk, so that it is made only once.
8. `guard.sign` and `receipts`: the site signs it, and the ledger has its line.
"""
