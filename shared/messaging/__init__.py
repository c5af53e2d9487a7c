"""The only package that speaks AMQP. In: contracts. Out: contracts, and errors of our own tree.

codec, envelope, cloud_events        a message as bytes, properties and headers
topology, declaration                what exists on the broker, and making it so
kept_connection, kept_channel        what is lost is opened again, for ever
connection                           `Broker`: one connection to publish, one to consume
publisher, dead_letters, replies     sending
delivery, intake, fates, consumer    receiving, and what becomes of an error
rpc_client, presence                 asking
"""
