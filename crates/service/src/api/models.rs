//! What is served.

use std::sync::Arc;

use alloy::primitives::{Address, B256};
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    App,
    problem::{Problem, Refused},
};
use crate::{
    models::Model,
    store::{Scope, shown},
};

/// Models.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList {
    models: Vec<ModelInfo>,
}

/// A model that is served.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelInfo {
    /// What orders call it.
    name: String,
    /// Its setup.
    #[schema(value_type = String)]
    setup_id: B256,
    /// Weights and biases.
    parameters: usize,
    /// Its inputs, in the order of a sample's numbers.
    inputs: Vec<InputInfo>,
    /// Numbers of a sample.
    input_elements: usize,
    /// Numbers that it says.
    outputs: usize,
    /// Decimals of its outputs.
    decimals: u32,
    /// Inferences of one proof.
    batch: usize,
    /// log2 of the circuit's rows.
    rows_log2: u32,
    /// Whether whoever made the SRS can forge proofs.
    insecure_srs: bool,
    /// Whether the key hides the weights.
    weights: String,
    /// What was measured at setup against the float model.
    error: ErrorInfo,
    /// Where it is deployed.
    deployment: Option<DeploymentInfo>,
}

/// An input.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InputInfo {
    name: String,
    shape: Vec<usize>,
    elements: usize,
}

/// Output errors against the float model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorInfo {
    max: f64,
    mean: f64,
    samples: usize,
}

/// Contracts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeploymentInfo {
    chain_id: u64,
    #[schema(value_type = String)]
    oracle: Address,
    #[schema(value_type = String)]
    registry: Address,
    #[schema(value_type = String)]
    verifier: Address,
    model_id: u64,
    /// Whether scores take statements of data providers.
    attestations: bool,
}

impl ModelInfo {
    fn of(model: &Model) -> Self {
        let manifest = model.setup().manifest();
        let inputs: Vec<InputInfo> = manifest
            .model
            .inputs
            .iter()
            .map(|input| InputInfo {
                name: input.name.clone(),
                shape: input.shape.clone(),
                elements: input.elements(),
            })
            .collect();
        let deployment = model.deployment().map(|deployment| DeploymentInfo {
            chain_id: deployment.chain_id,
            oracle: deployment.oracle,
            registry: deployment.registry,
            verifier: deployment.verifier,
            model_id: deployment.model_id,
            attestations: deployment.attestations.as_ref().is_some_and(|policy| !policy.source),
        });
        Self {
            name: model.name().to_owned(),
            setup_id: model.setup().id(),
            parameters: manifest.model.parameters,
            input_elements: inputs.iter().map(|input| input.elements).sum(),
            inputs,
            outputs: manifest.output.count / model.batch(),
            decimals: manifest.output.decimals,
            batch: model.batch(),
            rows_log2: manifest.k,
            insecure_srs: model.setup().is_insecure(),
            weights: manifest.weights.to_string(),
            error: ErrorInfo {
                max: manifest.error.largest,
                mean: manifest.error.mean,
                samples: manifest.error.samples,
            },
            deployment,
        }
    }
}

/// Lists the models that are served.
#[utoipa::path(
    get, path = "/v1/models", tag = "models",
    responses(
        (status = 200, body = ModelList),
        Refused,
    ),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<ModelList>, Problem> {
    app.admit(&headers, Scope::Read).await?;
    let models = app.acceptance.models().iter().map(ModelInfo::of).collect();
    Ok(Json(ModelList { models }))
}

/// One model.
#[utoipa::path(
    get, path = "/v1/models/{name}", tag = "models",
    params(("name" = String, Path, description = "The model")),
    responses(
        (status = 200, body = ModelInfo),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        Refused,
    ),
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Json<ModelInfo>, Problem> {
    app.admit(&headers, Scope::Read).await?;
    let model = app.acceptance.models().get(&name).ok_or_else(|| {
        let detail = format!("there is no model {}; GET /v1/models lists them", shown(&name));
        Problem::new(StatusCode::NOT_FOUND, "unknown_model", detail)
    })?;
    Ok(Json(ModelInfo::of(model)))
}
