//! The integration tests: the functions' own code over the embedded DynamoDB.

mod mycashflow_order;
