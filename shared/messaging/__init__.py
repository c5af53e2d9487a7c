"""The only package that speaks AMQP. In: contracts. Out: contracts, and errors of our own tree.

codec, envelope, cloud_events, batch          a message as bytes, properties and headers
topology, declaration                         what exists on the broker, and making it so
careful_reader, frames                        what the library does not do well enough
kept_connection, kept_channel, connection     what is lost is opened again: `Broker`
publisher, dead_letters, replies              sending
intake, delivery, fates, handling, consumer   receiving, and what becomes of an error
questions, presence, rpc_client               asking
hang_ups, askers                              no longer asking, and ending the work for it
"""
