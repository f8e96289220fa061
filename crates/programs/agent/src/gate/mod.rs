//! The gate of an appliance: the machine attests itself, and its services start only where the answer is good.

pub mod facts;
pub mod http;
