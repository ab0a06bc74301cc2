"""The receiver of others' logs: syslog over TLS with client certificates, and Unix sockets.

*Client*: who sends, known by a certificate; it has a name and one project. *Frame*: one message as
it came over the wire. *Story*: what one connection has sent, a stream of numbered records.

What comes over the network is read by a process of its own, which holds no key of the log and no
database. It hands records to the log process by a socket that takes reports and nothing else
(`mavis_hub.log_process.reports`). Syslog has no acknowledgement: what the log process cannot keep
now is not read from the socket, so that the sender waits.
"""
