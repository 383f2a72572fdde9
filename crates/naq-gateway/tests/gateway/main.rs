//! The gateway on an in-memory broker, called without a network.

mod acts;
mod enqueues;
mod guards;
mod test_gateway;
mod vectors;
