//! Reading a portable key: every index exists, every size is bounded, every point is one.

use std::sync::Arc;

use group::{cofactor::CofactorGroup, prime::PrimeCurveAffine};
use halo2curves::{
    CurveAffine,
    bn256::{Fq2, G2Affine},
};

use super::{MAGIC, MAX_BYTES, PortableError, PortableKey, reader::Reader};
use crate::{
    expression::{Graph, Leaf, Node},
    key::{MAX_K, VerifyingKey},
    protocol::{ColumnId, Constraint, Group, Phase, Protocol},
};

/// Most columns of a kind, queries, phases and challenges.
const MAX_COLUMNS: usize = 1 << 12;
/// Most nodes of the gates.
const MAX_NODES: usize = 1 << 18;
/// Largest degree of a quotient.
const MAX_DEGREE: usize = 1 << 8;
/// Largest rotation, in rows.
const MAX_ROTATION: u32 = 1 << 24;
/// Most distinct rotations: the key's words take as many products as pairs of them.
const MAX_ROTATIONS: usize = 1 << 7;
/// Most queries of instances: each takes work for every public value.
const MAX_INSTANCE_QUERIES: usize = 1 << 4;
/// Most values that a proof shows.
const MAX_VALUES: usize = 1 << 13;

pub(super) fn read(bytes: &[u8]) -> Result<PortableKey, PortableError> {
    if bytes.len() > MAX_BYTES {
        return Err(PortableError::TooLarge { got: bytes.len(), limit: MAX_BYTES });
    }
    if !bytes.starts_with(MAGIC) {
        return Err(PortableError::Magic);
    }
    let mut reader = Reader::new(bytes);
    let reader = &mut reader;
    reader.bytes::<8>("its beginning")?;
    let protocol = Arc::new(protocol(reader)?);
    let k = reader.number("k", MAX_K as usize)? as u32;
    let num_instances = reader.number("the number of public values", 1 << MAX_K)?;
    let tau_g2 = tau_g2(reader)?;
    let mut points =
        |count| (0..count).map(|_| reader.point()).collect::<Result<Vec<_>, PortableError>>();
    let groups = points(protocol.key_groups.len())?;
    let secret = points(protocol.secret_scalars.len())?;
    reader.end()?;
    let key = VerifyingKey::new(protocol, k, groups, secret)?;
    Ok(PortableKey::new(key, tau_g2, num_instances)?)
}

/// τ·G2: finite, on the curve, in the group of prime order.
fn tau_g2(reader: &mut Reader<'_>) -> Result<G2Affine, PortableError> {
    let mut pair = || {
        let c1 = reader.coordinate()?;
        Ok::<_, PortableError>(Fq2 { c0: reader.coordinate()?, c1 })
    };
    let (x, y) = (pair()?, pair()?);
    Option::<G2Affine>::from(G2Affine::from_xy(x, y))
        .filter(|point| !bool::from(point.is_identity()))
        .filter(|point| bool::from(point.to_curve().is_torsion_free()))
        .ok_or_else(|| reader.invalid("τ·G2 is no point of the group"))
}

fn protocol(reader: &mut Reader<'_>) -> Result<Protocol, PortableError> {
    let num_fixed_columns = reader.number("the number of fixed columns", MAX_COLUMNS)?;
    let quotient_degree = reader.number("the quotient's degree", MAX_DEGREE)?;
    let quotient_pieces = reader.number("the quotient's pieces", quotient_degree)?;
    reader.require(
        quotient_pieces == 1 || quotient_pieces == quotient_degree && quotient_degree > 0,
        "the quotient is committed to whole, or in as many pieces as its degree",
    )?;
    let unusable_rows = reader.number("unusable rows", MAX_COLUMNS)?;
    let has_instances = match reader.bytes("instances")? {
        [0] => false,
        [1] => true,
        _ => return Err(reader.invalid("whether there are instances is 0 or 1")),
    };
    let advice_queries = queries(reader, "advice queries", MAX_COLUMNS)?;
    let fixed_queries = queries(reader, "fixed queries", num_fixed_columns)?;
    let instance_queries = reader.list("instance queries", MAX_INSTANCE_QUERIES, 4, |reader| {
        reader.rotation(MAX_ROTATION)
    })?;
    reader.require(
        has_instances || instance_queries.is_empty(),
        "there are queries of instances, and none of those",
    )?;
    let phases = reader.list("phases", u8::MAX.into(), 12, phase)?;
    let key_groups = reader.list("the key's groups", MAX_COLUMNS, 8, group)?;
    let secret_columns = reader.list("secret columns", num_fixed_columns, 4, |reader| {
        reader.index("a secret column", num_fixed_columns)
    })?;
    reader.require(
        secret_columns.is_sorted_by(|a, b| a < b),
        "the secret columns are not in ascending order",
    )?;
    let mut protocol = Protocol {
        phases,
        num_fixed_columns,
        key_groups,
        has_instances,
        advice_queries,
        fixed_queries,
        instance_queries,
        quotient_degree,
        quotient_pieces,
        unusable_rows,
        secret_columns,
        secret_scalars: Vec::new(),
        graph: Graph::default(),
        constraints: Vec::new(),
        classes: Vec::new(),
    };
    let challenges = check_columns(reader, &protocol)?;
    gates(reader, &mut protocol, challenges)?;
    protocol.classify();
    Ok(protocol)
}

fn queries(
    reader: &mut Reader<'_>,
    what: &'static str,
    columns: usize,
) -> Result<Vec<(usize, i32)>, PortableError> {
    reader.list(what, MAX_COLUMNS, 8, |reader| {
        Ok((reader.index("a query's column", columns)?, reader.rotation(MAX_ROTATION)?))
    })
}

fn phase(reader: &mut Reader<'_>) -> Result<Phase, PortableError> {
    let index = |reader: &mut Reader<'_>| reader.index("a column or challenge", MAX_COLUMNS);
    Ok(Phase {
        columns: reader.list("columns of a phase", MAX_COLUMNS, 4, index)?,
        groups: reader.list("groups of a phase", MAX_COLUMNS, 8, group)?,
        challenges: reader.list("challenges of a phase", MAX_COLUMNS, 4, index)?,
    })
}

fn group(reader: &mut Reader<'_>) -> Result<Group, PortableError> {
    let columns = reader.list("columns of a group", MAX_COLUMNS, 5, |reader| {
        let kind = reader.bytes("a column")?;
        let index = reader.index("a column", MAX_COLUMNS)?;
        match kind {
            [0] => Ok(ColumnId::Advice(index)),
            [1] => Ok(ColumnId::Fixed(index, reader.rotation(MAX_ROTATION)?)),
            _ => Err(reader.invalid("a column is advice or fixed")),
        }
    })?;
    let rotations = reader
        .list("rotations of a group", MAX_COLUMNS, 4, |reader| reader.rotation(MAX_ROTATION))?;
    reader.require(
        !columns.is_empty() && !rotations.is_empty() && rotations.is_sorted_by(|a, b| a < b),
        "a group has columns, and rotations in ascending order",
    )?;
    Ok(Group { columns, rotations })
}

/// That every column is of one phase, every group of its phase's columns or of fixed ones, and
/// every query has a value in a proof. Returns the number of challenges.
fn check_columns(reader: &Reader<'_>, protocol: &Protocol) -> Result<usize, PortableError> {
    let values = protocol.groups().map(Group::num_values).fold(0, usize::saturating_add);
    reader.require(values <= MAX_VALUES, "a proof would show too many values")?;
    let few = protocol.rotations().len() <= MAX_ROTATIONS;
    reader.require(few, "there are too many rotations")?;
    let once = |mut indices: Vec<usize>, what| {
        indices.sort_unstable();
        reader.require(indices.iter().enumerate().all(|(at, index)| at == *index), what)
    };
    let of_phases = |of: fn(&Phase) -> &Vec<usize>| -> Vec<usize> {
        protocol.phases.iter().flat_map(of).copied().collect()
    };
    let challenges = of_phases(|phase| &phase.challenges);
    let num_challenges = challenges.len();
    once(of_phases(|phase| &phase.columns), "an advice column is missing or of two phases")?;
    once(challenges, "a challenge is missing or drawn twice")?;
    let advice = protocol.num_advice_columns();
    let fits = protocol.advice_queries.iter().all(|(column, _)| *column < advice);
    reader.require(fits, "an advice query is of no column")?;
    for phase in &protocol.phases {
        let own = |column: &ColumnId| matches!(column, ColumnId::Advice(index) if phase.columns.contains(index));
        let fits = phase.groups.iter().all(|group| group.columns.iter().all(own));
        reader.require(fits, "a group of a phase has a column that is not the phase's")?;
    }
    let structural = |column: &ColumnId| match column {
        ColumnId::Fixed(index, _) => {
            *index < protocol.num_fixed_columns && !protocol.secret_columns.contains(index)
        }
        ColumnId::Advice(_) => false,
    };
    let fits = protocol.key_groups.iter().all(|group| group.columns.iter().all(structural));
    reader.require(fits, "a group of the key has a column that is not structural")?;
    let shown = |queries: &[(usize, i32)], column: fn(usize) -> ColumnId| {
        queries.iter().all(|(index, at)| protocol.value_index(column(*index), *at).is_some())
    };
    let all = shown(&protocol.advice_queries, ColumnId::Advice)
        && shown(&protocol.fixed_queries, |index| ColumnId::Fixed(index, 0));
    reader.require(all, "a query has no value in a proof")?;
    // What a protocol of a constraint system never has: nothing to check.
    let first = protocol.phases.first();
    let bound = first.is_some_and(|phase| !phase.groups.is_empty());
    reader.require(bound, "the first phase commits to nothing")?;
    Ok(num_challenges)
}

/// The graph, the constraints and the factors of secret columns.
fn gates(
    reader: &mut Reader<'_>,
    protocol: &mut Protocol,
    challenges: usize,
) -> Result<(), PortableError> {
    let secret = protocol.secret_columns.clone();
    // Their nodes stand behind them; that they exist is checked below.
    let scalars = reader.list("factors of secret columns", secret.len(), 8, |reader| {
        let column = reader.index("a secret column", protocol.num_fixed_columns)?;
        Ok((column, reader.index("a factor's node", MAX_NODES)?))
    })?;
    let known = scalars.iter().all(|(column, _)| secret.contains(column));
    let known = known && scalars.is_sorted_by(|a, b| a.0 < b.0);
    reader.require(known, "a factor is of no secret column, or out of order")?;
    let count = reader.number("nodes", MAX_NODES)?;
    for id in 0..count {
        let node = match reader.bytes("a node")? {
            [0] => {
                Node::Leaf(Leaf::Advice(reader.index("a query", protocol.advice_queries.len())?))
            }
            [1] => Node::Leaf(Leaf::Fixed(reader.index("a query", protocol.fixed_queries.len())?)),
            [2] => Node::Leaf(Leaf::Instance(
                reader.index("a query", protocol.instance_queries.len())?,
            )),
            [3] => Node::Leaf(Leaf::Challenge(reader.index("a challenge", challenges)?)),
            [4] => Node::Leaf(Leaf::Y),
            [5] => Node::Constant(reader.scalar("a constant")?),
            [6] => Node::Negated(reader.index("a child", id)?),
            [7] => Node::Sum(reader.index("a child", id)?, reader.index("a child", id)?),
            [8] => Node::Product(reader.index("a child", id)?, reader.index("a child", id)?),
            _ => return Err(reader.invalid("no node is of this kind")),
        };
        reader.require(protocol.graph.push(node) == id, "a node stands twice")?;
    }
    let fits = scalars.iter().all(|(_, root)| *root < count);
    reader.require(fits, "a factor's node does not exist")?;
    protocol.secret_scalars = scalars;
    let roots = reader.list("constraints", MAX_NODES, 4, |reader| reader.index("a node", count))?;
    reader.require(!roots.is_empty(), "there are no constraints")?;
    let constraint = |(position, root)| Constraint { name: String::new(), root, position };
    protocol.constraints = roots.into_iter().enumerate().map(constraint).collect();
    Ok(())
}
