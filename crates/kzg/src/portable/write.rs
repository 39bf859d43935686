//! Writing a portable key.

use super::{MAGIC, PortableKey};
use crate::{
    expression::{Leaf, Node},
    key::{g1_bytes, g2_bytes},
    protocol::{ColumnId, Group},
    transcript::to_be_bytes,
};

/// Counts and indices of what exists in memory; none comes near 2^32.
fn number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend(u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
}

fn list<T>(bytes: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    number(bytes, items.len());
    items.iter().for_each(|item| write(bytes, item));
}

fn rotation(bytes: &mut Vec<u8>, rotation: &i32) {
    bytes.extend(rotation.to_be_bytes());
}

fn query(bytes: &mut Vec<u8>, (column, at): &(usize, i32)) {
    number(bytes, *column);
    rotation(bytes, at);
}

fn group(bytes: &mut Vec<u8>, group: &Group) {
    list(bytes, &group.columns, |bytes, column| match column {
        ColumnId::Advice(index) => {
            bytes.push(0);
            number(bytes, *index);
        }
        ColumnId::Fixed(index, turn) => {
            bytes.push(1);
            number(bytes, *index);
            rotation(bytes, turn);
        }
    });
    list(bytes, &group.rotations, rotation);
}

fn node(bytes: &mut Vec<u8>, node: &Node) {
    let mut of = |kind: u8, numbers: &[usize]| {
        bytes.push(kind);
        numbers.iter().for_each(|index| number(bytes, *index));
    };
    match *node {
        Node::Leaf(Leaf::Advice(query)) => of(0, &[query]),
        Node::Leaf(Leaf::Fixed(query)) => of(1, &[query]),
        Node::Leaf(Leaf::Instance(query)) => of(2, &[query]),
        Node::Leaf(Leaf::Challenge(index)) => of(3, &[index]),
        Node::Leaf(Leaf::Y) => of(4, &[]),
        Node::Constant(value) => {
            of(5, &[]);
            bytes.extend(to_be_bytes(&value));
        }
        Node::Negated(a) => of(6, &[a]),
        Node::Sum(a, b) => of(7, &[a, b]),
        Node::Product(a, b) => of(8, &[a, b]),
    }
}

pub(super) fn write(portable: &PortableKey) -> Vec<u8> {
    let (key, protocol) = (&portable.key, portable.key.protocol());
    let mut bytes = MAGIC.to_vec();
    let out = &mut bytes;
    number(out, protocol.num_fixed_columns);
    number(out, protocol.quotient_degree);
    number(out, protocol.quotient_pieces);
    number(out, protocol.unusable_rows);
    out.push(protocol.has_instances.into());
    list(out, &protocol.advice_queries, query);
    list(out, &protocol.fixed_queries, query);
    list(out, &protocol.instance_queries, rotation);
    list(out, &protocol.phases, |out, phase| {
        list(out, &phase.columns, |out, column| number(out, *column));
        list(out, &phase.groups, group);
        list(out, &phase.challenges, |out, challenge| number(out, *challenge));
    });
    list(out, &protocol.key_groups, group);
    list(out, &protocol.secret_columns, |out, column| number(out, *column));
    list(out, &protocol.secret_scalars, |out, (column, root)| {
        number(out, *column);
        number(out, *root);
    });
    list(out, protocol.graph.nodes(), node);
    list(out, &protocol.constraints, |out, constraint| number(out, constraint.root));
    number(out, key.k() as usize);
    number(out, portable.num_instances);
    out.extend(g2_bytes(&portable.tau_g2));
    for point in key.groups().iter().chain(key.secret()) {
        out.extend(g1_bytes(point));
    }
    bytes
}
