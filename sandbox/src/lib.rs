//! The sandbox: a make-believe MyCashflow shop and Manu Online ERP with every documented behaviour, an embedded
//! DynamoDB, and the functions, in one process. It is the demo, a place to try an integration, and the harness of the
//! tests.

pub mod embedded;
pub mod erp;
pub mod functions;
pub mod in_process;
pub mod mappings;
pub mod messaging;
pub mod orders;
pub mod server;
pub mod shop;
pub mod world;
