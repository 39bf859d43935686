// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IInputVoucher} from "./interfaces/IInputVoucher.sol";
import {ISignerRegistry} from "./interfaces/ISignerRegistry.sol";

/// @title Registry of data providers
/// @notice The owner proposes a provider, the provider accepts, and a delay after the proposal lets everyone see
/// it before its statements count. An offer that is not accepted lapses, so that none counts whom all but itself have
/// forgotten. Removal is immediate and for good: nothing that the account has signed, under whatever date, is taken up
/// again. A provider that returns does so with another account. An index is given once and for all, so that old records
/// keep their meaning.
///
/// Trust: the owner chooses who signs. Statements are bound to chain, registry, signer, subject, schema and inputs, so
/// that what a key signed for one account counts for no other one of it; signatures with a high s and signers that stand twice are refused. Signers that are contracts are asked by
/// STATICCALL (ERC-1271).
contract SignerRegistry is ISignerRegistry, Ownable2Step, EIP712 {
    /// @notice EIP-712's type hash of a statement.
    bytes32 public constant ATTESTATION_TYPEHASH = keccak256(
        "Attestation(address signer,address subject,bytes32 schema,bytes32 inputs,uint64 issuedAt,uint64 validUntil)"
    );
    /// @notice Seconds between a proposal and the first statement that counts.
    uint256 public constant SIGNER_DELAY = 2 days;
    /// @notice Seconds after a proposal in which it can be accepted.
    uint256 public constant OFFER_PERIOD = 30 days;
    /// @notice Longest time in seconds between a statement's issue and its end.
    uint256 public constant MAX_VALIDITY = 30 days;
    /// @notice Signers that there can be in the registry's life: a record has a bit for each.
    uint256 public constant MAX_SIGNERS = 32;

    /// @dev Index, two times and the length of a signature.
    uint256 private constant HEAD = 1 + 8 + 8 + 2;

    /// @dev A signer in one word. One that was removed and has a time to count from had accepted.
    struct Entry {
        address account;
        uint40 countsFrom;
        uint40 proposedAt;
        bool removed;
    }

    /// @dev Those ever proposed; all zero from `signerCount` on.
    mapping(uint256 index => Entry) private _signers;
    /// @inheritdoc ISignerRegistry
    uint256 public override signerCount;
    /// @dev Index plus one.
    mapping(address account => uint256) private _numberOf;
    mapping(address account => mapping(bytes32 digest => bool)) private _revoked;

    /// @param initialOwner Who chooses the signers.
    constructor(address initialOwner) Ownable(initialOwner) EIP712("Verdict", "1") {}

    // ------------------------------------------------------------------ signers

    /// @inheritdoc ISignerRegistry
    function proposeSigner(address account) external override onlyOwner {
        // Nobody could accept, and an index is given for good.
        if (account == address(0)) revert SignerUnknown(account);
        uint256 number = _numberOf[account];
        if (number == 0) {
            if (signerCount == MAX_SIGNERS) revert TooManySigners(MAX_SIGNERS);
            number = ++signerCount;
            _numberOf[account] = number;
        }
        Entry memory last = _signers[number - 1];
        // Dates do not tell which of its statements it signed before its removal.
        if (last.removed && last.countsFrom != 0) revert SignerRemovedForGood(account);
        bool open = last.countsFrom != 0 || block.timestamp <= last.proposedAt + OFFER_PERIOD;
        if (last.proposedAt != 0 && open && !last.removed) revert SignerAlreadyKnown(account);
        _signers[number - 1] = Entry(account, 0, uint40(block.timestamp), false);
        emit SignerProposed(account, number - 1, block.timestamp + SIGNER_DELAY);
    }

    /// @inheritdoc ISignerRegistry
    function acceptSigner() external override {
        Entry storage signer = _known(msg.sender);
        if (signer.countsFrom != 0) revert SignerAlreadyKnown(msg.sender);
        uint256 until = signer.proposedAt + OFFER_PERIOD;
        if (block.timestamp > until) revert OfferLapsed(msg.sender, until);
        signer.countsFrom = uint40(signer.proposedAt + SIGNER_DELAY);
        emit SignerAccepted(msg.sender, _numberOf[msg.sender] - 1);
    }

    /// @inheritdoc ISignerRegistry
    function removeSigner(address account) external override onlyOwner {
        _known(account).removed = true;
        emit SignerRemoved(account, _numberOf[account] - 1);
    }

    /// @inheritdoc ISignerRegistry
    function revokeAttestation(bytes32 digest) external override {
        _revoked[msg.sender][digest] = true;
        emit AttestationRevoked(msg.sender, digest);
    }

    /// @inheritdoc IInputVoucher
    function signerAt(uint256 index) external view override returns (Signer memory signer) {
        if (index >= signerCount) revert SignerNotCounting(index);
        Entry memory entry = _signers[index];
        return Signer(entry.account, entry.countsFrom, entry.proposedAt, entry.removed);
    }

    /// @inheritdoc ISignerRegistry
    function signerIndexOf(address account) external view override returns (uint256 index) {
        index = _numberOf[account];
        if (index == 0) revert SignerUnknown(account);
        return index - 1;
    }

    // --------------------------------------------------------------- statements

    /// @inheritdoc IInputVoucher
    function vouchersOf(address subject, bytes32 schema, bytes32 inputs, bytes calldata attestations)
        external
        view
        override
        returns (uint256 signers, uint256 count)
    {
        for (uint256 at = 0; at < attestations.length; ++count) {
            if (attestations.length - at < HEAD) revert MalformedAttestations(at);
            uint256 head = uint152(bytes19(attestations[at:at + HEAD]));
            uint256 index = head >> 144;
            // Those before have lower bits only.
            if (signers >> index != 0) revert SignersOutOfOrder(index);
            uint256 end = at + HEAD + uint16(head);
            if (end > attestations.length) revert MalformedAttestations(at);
            address account = _countingSigner(index);
            bytes32 digest = _digest(account, subject, schema, inputs, uint128(head >> 16));
            _requireValid(index, account, uint128(head >> 16), digest, attestations[at + HEAD:end]);
            signers |= 2 ** index;
            at = end;
        }
    }

    /// @inheritdoc ISignerRegistry
    function attestationDigest(
        address signer,
        address subject,
        bytes32 schema,
        bytes32 inputs,
        uint64 issuedAt,
        uint64 validUntil
    ) external view override returns (bytes32) {
        return _digest(signer, subject, schema, inputs, uint256(issuedAt) << 64 | validUntil);
    }

    /// @param times When it was issued, in the upper 64 bits, and until when it is valid.
    function _requireValid(
        uint256 index,
        address signer,
        uint256 times,
        bytes32 digest,
        bytes calldata signature
    ) private view {
        (uint256 issuedAt, uint256 validUntil) = (times >> 64, uint64(times));
        if (issuedAt > block.timestamp) revert AttestationNotYetValid(index, issuedAt);
        if (validUntil < block.timestamp) revert AttestationExpired(index, validUntil);
        if (validUntil - issuedAt > MAX_VALIDITY) revert AttestationTooLong(index, MAX_VALIDITY);
        if (_revoked[signer][digest]) revert AttestationIsRevoked(index, digest);
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature)) {
            revert InvalidAttestation(index);
        }
    }

    function _digest(address signer, address subject, bytes32 schema, bytes32 inputs, uint256 times)
        private
        view
        returns (bytes32)
    {
        (uint256 issuedAt, uint256 validUntil) = (times >> 64, uint64(times));
        bytes memory statement =
            abi.encode(ATTESTATION_TYPEHASH, signer, subject, schema, inputs, issuedAt, validUntil);
        return _hashTypedDataV4(keccak256(statement));
    }

    /// @notice Always reverts: ownership can only be handed over.
    function renounceOwnership() public view override onlyOwner {
        revert OwnershipCannotBeRenounced();
    }

    /// @dev The signer at `index`, if its statements count now.
    function _countingSigner(uint256 index) private view returns (address account) {
        Entry memory signer = _signers[index];
        bool counts = signer.countsFrom != 0 && block.timestamp >= signer.countsFrom && !signer.removed;
        if (!counts) revert SignerNotCounting(index);
        return signer.account;
    }

    function _known(address account) private view returns (Entry storage signer) {
        uint256 number = _numberOf[account];
        if (number == 0) revert SignerUnknown(account);
        signer = _signers[number - 1];
        if (signer.removed) revert SignerUnknown(account);
    }
}
